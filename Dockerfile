# One image for the head and the workers of a Ray cluster, for jobs on it, and for single runs:
#
#   docker build --tag texgen .
#   docker run --rm --init --user "$(id -u):$(id -g)" --volume "$PWD:/data" texgen \
#       texgen build --no-ray --src /data/images --out /data/shards

# If Docker's registry cannot be reached, --build-arg names a copy of each base image.
ARG RUST_BASE=rust:1.95.0-slim-trixie@sha256:81099830a1e1d244607b9a7a30f3ff6ecadc52134a933b4635faba24f52840c9
ARG DEBIAN_BASE=debian:trixie-20260918-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a

FROM ${RUST_BASE} AS build
# Debian's archive keeps only the newest version of a package, so a pinned one would soon fail.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip python3-venv
WORKDIR /build
# The dependencies come first, because they change less often than texgen.
COPY pipelines/cluster/requirements.txt ./
RUN python3 -m venv --without-pip /opt/texgen \
    && pip --python /opt/texgen/bin/python install --no-cache-dir --requirement requirements.txt
COPY LICENSE* README.md pyproject.toml ./
COPY rust_bridge rust_bridge
COPY texgen texgen
RUN pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && pip --python /opt/texgen/bin/python install --no-cache-dir --no-deps dist/*.whl \
    && pip --python /opt/texgen/bin/python check

FROM ${DEBIAN_BASE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libvulkan1 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home texgen
COPY --from=build /opt/texgen /opt/texgen
# Ray sends usage statistics only if somebody turns them on. NVIDIA's toolkit passes its Vulkan into
# the container for `--device gpu` if graphics are among the capabilities.
ENV PATH=/opt/texgen/bin:$PATH RAY_USAGE_STATS_ENABLED=0 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
# The user is a number, so that Kubernetes sees that it is not root.
USER 1000:1000
# Not a home folder: on Debian only its owner may enter it, and `--user` may name any user.
WORKDIR /data
CMD ["texgen", "--help"]
