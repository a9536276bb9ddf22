#!/bin/sh
python
