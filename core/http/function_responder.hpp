/// Answers requests with what a user's function says: see bullpen/http_handler.hpp.
#pragma once

#include <string>
#include <string_view>

#include <bullpen/http_handler.hpp>
#include "core/http/responder.hpp"

namespace bullpen::http {

class FunctionResponder final : public Responder {
public:
    /// Borrows both. The connection is asked for its peer alone.
    FunctionResponder(const HttpHandler& handler, const Connection& client) noexcept
        : handler_{handler}, client_{client} {}

private:
    Answer answer_request(const Request& request, std::string_view head) override;
    Answer answer_with(std::string_view body) override;

    [[nodiscard]] bool set_target(const Request& request);
    [[nodiscard]] Answer to_answer(const HttpAnswer& given);
    [[nodiscard]] Answer with_body(ResponseHead& head, std::string_view body);

    const HttpHandler& handler_;
    const Connection& client_;
    HttpRequest request_;
    std::string path_;   ///< The request borrows it.
    std::string whole_;  ///< The last answer, if it is large: that borrows it.
};

}  // namespace bullpen::http
