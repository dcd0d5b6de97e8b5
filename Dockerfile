# The service and the generator: one image, two commands. Stage one installs the locked packages
# into a virtual environment; only that folder and the code reach the image.
FROM python:3.12.13-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt .
RUN python -m venv --without-pip /venv \
    && pip --python /venv install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.12.13-slim-bookworm
LABEL org.opencontainers.image.title="Footfall" \
      org.opencontainers.image.description="Real-time analytics for an e-commerce platform" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=packages /venv /venv
COPY frontend frontend
COPY shared shared
COPY generator generator
COPY functions functions
# The root file system is read-only at run time, so that bytecode is made now.
RUN python -m compileall -q .
USER 10001:10001
EXPOSE 8000
# http.client, because urllib would obey a proxy set for containers.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/readyz'); exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "functions"]
