// A user's program with an HTTP function, for http_function_test.py. It says where it is as `bullpen serve`
// does.
//
//     http_function serve [--SETTING VALUE]…
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <bullpen/http.hpp>
#include <bullpen/serve.hpp>
#include <bullpen/set_option.hpp>

namespace {

using bullpen::HttpAnswer;
using bullpen::HttpRequest;

/// What the function was told.
std::string description_of(const HttpRequest& request) {
    std::string text;
    const auto add = [&](std::string_view name, std::string_view value) {
        text.append(name).append("=").append(value).append("\n");
    };
    add("method", request.method);
    add("target", request.target);
    add("path", request.path);
    add("query", request.query);
    add("peer", request.peer.text().substr(0, 10));
    for (const std::string_view value : request.fields.all("x-test"))
        add("x-test", value);
    add("body", request.body);
    return text;
}

HttpAnswer answer(const HttpRequest& request) {
    static std::atomic<int> calls{0};
    const int call = ++calls;
    const std::string_view path = request.path;
    if (path == "/describe") return {.body = description_of(request)};
    if (path == "/echo")
        return {.content_type = "application/octet-stream", .body = std::string{request.body}};
    if (path == "/size") return {.body = std::to_string(request.body.size())};
    if (path == "/large") return {.body = std::string(std::stoul(std::string{request.query}), 'x')};
    if (path == "/calls") return {.body = std::to_string(call)};
    if (path == "/status") return {.status = std::stoi(std::string{request.query}), .body = "the body"};
    if (path == "/throw") throw std::runtime_error{"as it was asked to"};
    if (path == "/throw-7") throw 7;
    if (path == "/kill") ::raise(SIGKILL);
    if (path == "/field") {  // NAME ':' VALUE, which may have any byte.
        const std::size_t colon = std::min(request.body.find(':'), request.body.size() - 1);
        return {.fields = {{std::string{request.body.substr(0, colon)},
                            std::string{request.body.substr(colon + 1)}}}};
    }
    if (path == "/type") return {.content_type = std::string{request.body}};
    return {.status = 404, .body = "there is nothing\n"};
}

void announce(const bullpen::BoundAddresses& bound) {
    for (const bullpen::BoundAddress& each : bound.pools)
        std::cout << "bullpen: serving http at http://" << each.address.text() << "/\n";
    std::cout << "bullpen: metrics at http://" << bound.metrics.at(0).text() << "/metrics\n"
              << "bullpen: ready" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
    bullpen::Options options{.on_ready = announce};
    bullpen::HttpOptions http;
    for (int i = 2; i + 1 < argc; i += 2) {
        std::string key{argv[i] + 2};
        std::replace(key.begin(), key.end(), '-', '_');
        if (key == "body_max")
            http.body_max = std::stoul(argv[i + 1]);
        else
            bullpen::set_option(options, key, {argv[i + 1]});
    }
    return bullpen::serve(bullpen::http_options(options), bullpen::http_handler(answer, http));
}
