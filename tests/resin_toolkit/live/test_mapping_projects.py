"""What a saved file means to Dockerfiles as projects have them."""

from __future__ import annotations

import pytest
from support.live_mapping import CHANGED, planned, short

NODE = """\
FROM resin/raspberrypi3-node:8 AS build
WORKDIR /usr/src/app
COPY package*.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && npm prune --production

FROM resin/raspberrypi3-node:8-slim
WORKDIR /usr/src/app
COPY --from=build /usr/src/app/node_modules ./node_modules
COPY --from=build /usr/src/app/dist ./dist
COPY package.json start.sh ./
COPY public/ ./public/
CMD ["sh", "start.sh"]
"""
PYTHON = """\
FROM balenalib/raspberrypi3-debian-python:3.7
RUN install_packages gcc libffi-dev
WORKDIR /usr/src/app
COPY requirements.txt requirements.txt
RUN pip install -r requirements.txt
COPY --chown=1000:1000 . .
ENV UDEV=1
CMD ["python", "-u", "app/main.py"]
"""
GO = """\
ARG GO=1.17
FROM golang:$GO AS build
WORKDIR /go/src/thing
COPY go.* ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -o /thing

FROM scratch
COPY --from=build /thing /thing
COPY conf /etc/thing
ENTRYPOINT ["/thing"]
"""
JAVA = """\
FROM maven:3 AS build
COPY pom.xml /build/
COPY src /build/src
WORKDIR /build
RUN mvn -q package
FROM openjdk:8-jre
COPY --from=build /build/target/app.jar /opt/app.jar
ADD conf/*.properties /opt/conf/
CMD java -jar /opt/app.jar
"""


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        (
            NODE,
            {
                "package.json": "rebuild",
                "src/main.ts": "rebuild",
                "start.sh": "/usr/src/app/start.sh",
                "public/css/x.css": "/usr/src/app/public/css/x.css",
                "README.md": "-",
            },
        ),
        (
            PYTHON,
            {
                "requirements.txt": "rebuild",
                "app/main.py": "/usr/src/app/app/main.py 1000:1000",
                "README.md": "/usr/src/app/README.md 1000:1000",
            },
        ),
        (GO, {"main.go": "rebuild", "conf/thing.toml": "rebuild", "go.sum": "rebuild"}),
        (
            JAVA,
            {
                "pom.xml": "rebuild",
                "src/Main.java": "rebuild",
                "conf/a.properties": "/opt/conf/a.properties",
                "conf/b.xml": "-",
            },
        ),
    ],
)
def test_dockerfiles_of_typical_projects(text: str, meanings: dict[str, str]) -> None:
    files = [*meanings, "tsconfig.json", "package-lock.json", "go.mod"]
    mapping = planned(text, files)
    assert {path: short(mapping.action_for(path, CHANGED)) for path in meanings} == meanings
