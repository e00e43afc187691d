# The environment of `make setup`, by `make setup` itself: the same lock, the same steps.
#
#   docker build --build-arg UID="$(id -u)" --tag ldae .
#   docker run --rm --gpus all --volume /data/ADNI:/data/ADNI:ro --volume "$PWD/results:/home/ldae/ldae/results" \
#     ldae snakemake --cores all --resources gpu=1 --config 'cohort={download: /data/ADNI}'
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# Not root; with the user's own number, so that results on a mounted volume are the user's.
ARG UID=1000
RUN useradd --create-home --uid "$UID" ldae
USER ldae
WORKDIR /home/ldae/ldae

COPY --chown=ldae:ldae . .
RUN make setup
ENV PATH=/home/ldae/ldae/.venv/bin:$PATH

CMD ["snakemake", "--list"]
