"""The version of texgen, in a module that every layer may import."""

VERSION = "0.1.0"
