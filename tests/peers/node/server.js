"use strict";

const cluster = require("node:cluster");
const http = require("node:http");

const body = "x".repeat(128);

function answer(response) {
  response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
  response.end(body);
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < 2; ++worker) cluster.fork();
} else {
  http
    .createServer((request, response) => {
      if (request.url === "/slow") setTimeout(answer, 20, response);
      else answer(response);
    })
    .listen({ port: @port@, host: "127.0.0.1", backlog: 4096 });
}
