/// http: the files below a directory, for browsers.
#include <filesystem>
#include <memory>

#include "core/http/async_conversation.hpp"
#include "core/http/conversation.hpp"
#include "core/http/http_metrics.hpp"
#include "servers/services/file_responder.hpp"
#include "servers/services/file_site.hpp"
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

boost::asio::awaitable<void> converse(AsyncConnection& client, std::shared_ptr<http::FileSite> site) {
    http::FileResponder responder{*site};
    co_await http::converse(client, responder);
}

}  // namespace

Handler make_http(const ServiceOptions& options) {
    http::define_metrics();
    return [site = std::make_shared<http::FileSite>(options)](Connection& client) {
        http::FileResponder responder{*site};
        return http::converse(client, responder);
    };
}

AsyncHandler make_async_http(const ServiceOptions& options) {
    http::define_metrics();
    return [site = std::make_shared<http::FileSite>(options)](AsyncConnection& client) {
        return converse(client, site);
    };
}

Program make_http_program(const ServiceOptions& options) {
    const http::FileSite check{options};
    Program program = own_program("http");
    const ServiceOptions usual;
    const auto add = [&](const char* flag, const std::string& value, const std::string& by_default) {
        if (value != by_default) program.argv.insert(program.argv.end(), {flag, value});
    };
    add("--root", std::filesystem::absolute(options.root), "");
    add("--file-cache", std::to_string(options.file_cache), std::to_string(usual.file_cache));
    if (options.links == http::Links::none) add("--links", "none", "below");
    add("--charset", options.charset.text(), usual.charset.text());
    if (!options.types.empty()) add("--types", std::filesystem::absolute(options.types), "");
    for (const http::AddedHeader& header : options.add_header)
        add("--add-header", header.text(), "");
    for (const http::ErrorPage& page : options.error_page)
        add("--error-page", page.text(), "");
    add("--fallback", options.fallback, "");
    add("--precompressed", options.precompressed.text(), usual.precompressed.text());
    return program;
}

}  // namespace bullpen
