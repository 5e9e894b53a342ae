"""The version, in one place: read by the build, the banner and the user agent."""

__version__ = "0.1.0"
