/// HTTP: a function from a request to an answer becomes a server.
///
///     #include <bullpen/http.hpp>
///     #include <bullpen/serve.hpp>
///
///     bullpen::HttpAnswer greet(const bullpen::HttpRequest& request) {
///         if (request.path != "/hello") return {.status = 404};
///         return {.body = "hello " + std::string{request.query} + "\n"};
///     }
///
///     int main() {
///         return bullpen::serve(bullpen::http_options({.listen = {"127.0.0.1:8080"}}),
///                               bullpen::http_handler(greet));
///     }
///
/// The library reads requests (HTTP/1.0 and 1.1: kept-alive and pipelined ones, bodies with a length and
/// chunked ones) and refuses wrong ones without calling the function. A client that waits between two
/// requests, sends a head slowly or takes an answer slowly holds no worker where the model parks connections;
/// one that sends a body slowly does, within TimeLimits::body and body_rate. TLS, HTTP/2, compression and
/// answers that are made while they are sent are not part of it; a proxy in front can do the first three.
#pragma once

#include <bullpen/export.hpp>
#include <bullpen/http_handler.hpp>
#include <bullpen/options.hpp>

namespace bullpen {

/// The options with what suits HTTP, as the bullpen program sets it for its own http: a 503 as the refusal
/// and, as far as Options::model, which must be set before, knows them, handoff_when readable, parks_files
/// and retry_crashed 1. Each may be set otherwise afterwards. Makes the metrics of HTTP (bullpen_http_…)
/// known, so that they are there before the first request. Throws std::bad_alloc, and std::invalid_argument
/// if the process has too many metrics already.
[[nodiscard]] BULLPEN_API Options http_options(Options options);

}  // namespace bullpen
