FROM debian AS debian
