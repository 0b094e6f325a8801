# The image runs the server; other commands run the worker and the other scripts. Settings:
# .env.example.
#   docker build -t eventapp .
#   docker run -p 10000:10000 -e JWT_SECRET=... -e MONGO_URI=... eventapp

FROM python:3.13.15-slim-trixie AS packages
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt .
# pyvips has no wheel, but is plain Python without a compiler; pyvips-binary brings libvips.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: \
    --no-binary pyvips -r requirements.txt

FROM python:3.13.15-slim-trixie
RUN groupadd --gid 10001 eventapp \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin eventapp \
    && install -d -o 10001 -g 10001 /var/lib/eventapp
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# The user of the application cannot write to its directory, so Python could not keep the bytecode
# that it compiles at the start. Compile it here.
RUN python -m compileall -q .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=10000 \
    INSTANCE_DIR=/var/lib/eventapp
USER 10001:10001
EXPOSE 10000
# Check liveness, not readiness: to restart a server that waits for its database does not help.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "wsgi.py"]
