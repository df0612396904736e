/// Items as a JSON API: GET /items, and GET, PUT and DELETE /items/NAME. An item is any JSON value.
///
/// To learn: a function from a request to an answer is an HTTP server; the library does the rest, a body that
/// is too long (413) included. The items are in memory, so the workers must be threads of one process, which
/// call the function at once.
///
///     json_api 127.0.0.1:8080
///     curl -X PUT -d '{"price": 3}' http://127.0.0.1:8080/items/tea
///     curl http://127.0.0.1:8080/items
#include <boost/json.hpp>
#include <iostream>
#include <mutex>
#include <string>
#include <string_view>

#include <bullpen/http.hpp>
#include <bullpen/serve.hpp>

namespace {

namespace json = boost::json;
using bullpen::HttpAnswer;
using bullpen::HttpRequest;

HttpAnswer answer_with(const json::value& value, int status = 200) {
    return {.status = status, .content_type = "application/json", .body = json::serialize(value) + "\n"};
}

HttpAnswer refuse(int status, std::string_view why) {
    return answer_with({{"error", why}}, status);
}

class Items {
public:
    HttpAnswer answer(const HttpRequest& request) {
        constexpr std::string_view folder = "/items/";
        const bool reads = request.method == "GET" || request.method == "HEAD";
        const std::lock_guard guard{mutex_};
        if (request.path == "/items")
            return reads ? answer_with(items_)
                         : HttpAnswer{.status = 405, .fields = {{"Allow", "GET, HEAD"}}};
        if (!request.path.starts_with(folder) || request.path == folder)
            return refuse(404, "there is only /items");
        const std::string_view name = request.path.substr(folder.size());
        if (request.method == "PUT") return put(name, request.body);
        const auto item = items_.find(name);
        if (!reads && request.method != "DELETE")
            return {.status = 405, .fields = {{"Allow", "GET, HEAD, PUT, DELETE"}}};
        if (item == items_.end()) return refuse(404, "there is no such item");
        if (reads) return answer_with(item->value());
        items_.erase(item);
        return {.status = 204};
    }

private:
    HttpAnswer put(std::string_view name, std::string_view body) {
        json::error_code error;
        json::value value = json::parse(body, error);
        if (error) return refuse(400, "the body is no JSON: " + error.message());
        const bool is_new = items_.insert_or_assign(name, std::move(value)).second;
        return {.status = is_new ? 201 : 204};
    }

    std::mutex mutex_;
    json::object items_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: json_api HOST:PORT\n";
        return 2;
    }
    Items items;
    const auto answer = [&items](const HttpRequest& request) { return items.answer(request); };
    return bullpen::serve(bullpen::http_options({.listen = {argv[1]}, .model = "prethread"}),
                          bullpen::http_handler(answer, {.body_max = 4096}));
}
