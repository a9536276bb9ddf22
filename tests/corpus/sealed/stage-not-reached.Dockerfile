FROM scratch AS never
COPY src /src
FROM scratch AS used
COPY conf /conf
FROM used
COPY requirements.txt /
