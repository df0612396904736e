#include <bullpen/http_handler.hpp>

#include "core/http/conversation.hpp"
#include "core/http/function_responder.hpp"
#include "core/http/http_metrics.hpp"

namespace bullpen {

HttpHandler::HttpHandler(bool is_empty, std::shared_ptr<void> function, Call call, HttpOptions options)
    : is_empty_{is_empty}, function_{std::move(function)}, call_{call}, options_{options} {
    http::define_metrics();
}

Next HttpHandler::operator()(Connection& client) const {
    http::FunctionResponder responder{*this, client};
    return http::converse(client, responder);
}

}  // namespace bullpen
