FROM scratch
WORKDIR /opt/app
COPY requirements.txt .
