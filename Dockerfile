# syntax=docker/dockerfile:1

# Installed here, so that the image that runs holds no build tool and no cache. Wheels of the lock
# alone; the last step reaches no registry, so it fails where the lock lacks what the package needs.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/venv && python -m venv /opt/build \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY claude_proxy ./claude_proxy
RUN /opt/build/bin/python -m hatchling build -t wheel -d /opt/wheels \
    && /opt/venv/bin/pip install --no-cache-dir --no-index --find-links /opt/wheels 'claude-proxy[production,redis]' \
    && /opt/venv/bin/pip check

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
