/// http: the files below a directory, for browsers.
#include <cstdlib>
#include <memory>

#include "core/http/async_conversation.hpp"
#include "core/http/conversation.hpp"
#include "servers/services/file_responder.hpp"
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

http::FileCache::Limits limits_for(const ServiceOptions& options) noexcept {
    if (options.file_cache == 0) return http::FileCache::Limits::modest();
    return {.lifetime = std::chrono::seconds{options.file_cache}};
}

/// The root and the cache, which all handlers of a process share. Safe to use from several threads.
struct Site {
    explicit Site(const ServiceOptions& options) : files{options.root}, cache{limits_for(options)} {}

    const http::FileTree files;
    http::FileCache cache;
};

boost::asio::awaitable<void> converse(AsyncConnection& client, std::shared_ptr<Site> site) {
    http::FileResponder responder{site->files, site->cache};
    co_await http::converse(client, responder);
}

}  // namespace

Handler make_http(const ServiceOptions& options) {
    return [site = std::make_shared<Site>(options)](Connection& client) {
        http::FileResponder responder{site->files, site->cache};
        return http::converse(client, responder);
    };
}

AsyncHandler make_async_http(const ServiceOptions& options) {
    return
        [site = std::make_shared<Site>(options)](AsyncConnection& client) { return converse(client, site); };
}

Program make_http_program(const ServiceOptions& options) {
    const http::FileTree check{options.root};
    const std::unique_ptr<char, void (*)(void*)> root{::realpath(options.root.c_str(), nullptr), std::free};
    Program program = own_program("http");
    program.argv.insert(program.argv.end(), {"--root", root ? root.get() : options.root});
    if (options.file_cache > 0)
        program.argv.insert(program.argv.end(), {"--file-cache", std::to_string(options.file_cache)});
    return program;
}

}  // namespace bullpen
