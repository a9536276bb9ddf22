FROM scratch # a comment
