"""A bucket at S3, or at whoever speaks its protocol, as a place that holds images."""
