/// A responder of a service whose clients change nothing: GET, HEAD and OPTIONS.
#pragma once

#include <string>

#include "core/http/request_target.hpp"
#include "core/http/responder.hpp"

namespace bullpen::http {

/// Does what is the same for every such service: methods and targets. A service overrides respond(). A body
/// of a request is thrown away.
class ReadOnlyResponder : public Responder {
protected:
    /// The answer to a GET or HEAD of a well-formed target without dot segments. What it throws is answered
    /// with a status.
    virtual Answer respond(const Request& request, const RequestTarget& target) = 0;

    /// Adds the headers that a service has for the answers of this path with a status below 400, but for
    /// those that respond() makes.
    virtual void add_headers(ResponseHead&, const std::string& /*path*/) const {}

    /// The answer to a GET or HEAD of a path at which nothing can be. Throws as respond() does.
    virtual Answer answer_not_found(const Request&) { return status_page(Status::not_found); }

private:
    Answer answer_request(const Request& request, std::string_view head) final;
    [[nodiscard]] Answer answer_options(const RequestTarget* target);  ///< Null: of the whole server.
    [[nodiscard]] Answer answer_dot_segments(const RequestTarget& target);
};

}  // namespace bullpen::http
