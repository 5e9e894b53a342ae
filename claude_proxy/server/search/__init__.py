"""Searches of the web for models whose upstream has none: see `codecs.web_search` for the pure
part. `searcher` asks the service, `conversation` says when, `reply` answers the client."""
