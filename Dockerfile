# BASE is a root that `kubedeb base update` made and imported (kubedeb base list names it).
ARG BASE

# What the docker sandbox runs: the clean base, and one unprivileged user with a fixed uid;
# written by hand, because a root that is remade from a .buildinfo need not hold useradd.
FROM ${BASE} AS build
RUN echo builder:x:1000: >>/etc/group \
 && echo builder:x:1000:1000::/nonexistent:/bin/sh >>/etc/passwd \
 && install --directory --owner builder --group builder --mode 0755 /build
ENV LC_ALL=C.UTF-8 TZ=UTC HOME=/nonexistent
USER builder
WORKDIR /build

# The tool itself. Its wheels come with the build context (script/docker-images puts them there), so that no package
# index need be reachable from inside a build.
FROM ${BASE} AS tool
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY build/wheelhouse /wheelhouse
RUN python3 -m venv /opt/kubedeb \
 && /opt/kubedeb/bin/pip install --no-cache-dir --no-index --find-links /wheelhouse kubedeb \
 && rm -rf /wheelhouse \
 && ln -s /opt/kubedeb/bin/kubedeb /usr/local/bin/kubedeb
ENV LC_ALL=C.UTF-8
ENTRYPOINT ["kubedeb"]
