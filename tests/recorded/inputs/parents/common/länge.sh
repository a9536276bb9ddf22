utf-8
