FROM scratch AS parent
ONBUILD ARG WHICH=a
ONBUILD ADD conf/${WHICH}.conf /
FROM parent
# args: WHICH=b
