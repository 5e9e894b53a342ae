# syntax=docker/dockerfile:1

# Wheels are made here, so that the image that runs holds no compiler and no cache.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY claude_proxy ./claude_proxy
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[production,redis]' \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-index --find-links /wheels 'claude-proxy[production,redis]'

FROM python:3.12-slim
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WEB_CONCURRENCY=2
# A claude-proxy.toml may be mounted here.
WORKDIR /app
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8085
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8085/health', timeout=4)"]
# gunicorn reads the number of workers from WEB_CONCURRENCY and more options from
# GUNICORN_CMD_ARGS. A worker ends by itself after CLAUDE_PROXY_DRAIN_SECONDS; gunicorn must wait
# for longer than that, else it kills the worker with its streams.
CMD ["gunicorn", "claude_proxy.main:app", "-k", "claude_proxy.server.worker.Worker", "--bind", "0.0.0.0:8085", "--graceful-timeout", "125", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
