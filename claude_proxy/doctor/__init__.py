"""`claude-proxy doctor`: looks at the settings, reaches the upstream, and tries a model out.

`probes` is the list of what is tried; `runner` goes through it; what is found becomes a report and
a table `[profiles.NAME]` (docs/doctor.md).
"""
