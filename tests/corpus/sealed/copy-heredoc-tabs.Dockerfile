FROM scratch
COPY <<-EOF /etc/tabs
	in
		deeper
	EOF
COPY requirements.txt /
