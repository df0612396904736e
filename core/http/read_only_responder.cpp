#include "core/http/read_only_responder.hpp"

#include <optional>

#include "core/http/authority.hpp"
#include "core/http/status_page.hpp"

namespace bullpen::http {

Answer ReadOnlyResponder::answer_request(const Request& request, std::string_view) {
    if (request.method == Method::unknown) return status_page(Status::not_implemented);
    if (request.method == Method::connect)
        return status_page(is_authority(request.target, Port::required) ? Status::method_not_allowed
                                                                        : Status::bad_request);
    if (request.method == Method::options && request.target == "*") return answer_options(nullptr);
    const auto target = parse_request_target(request.target);
    if (!target) return status_page(Status::bad_request);
    const bool asks_for_a_file = request.method == Method::get || request.method == Method::head;
    if (target->has_dot_segments)
        return asks_for_a_file ? answer_dot_segments(*target) : status_page(Status::bad_request);
    if (request.method == Method::options) return answer_options(&*target);
    if (!asks_for_a_file) return status_page(Status::method_not_allowed);
    if (target->has_encoded_slash) return answer_not_found(request);
    return respond(request, *target);
}

Answer ReadOnlyResponder::answer_options(const RequestTarget* target) {
    ResponseHead head = begin(Status::ok);
    head.add("Allow", implemented_methods);
    head.add("Content-Length", std::uint64_t{0});
    if (target != nullptr) add_headers(head, target->path);
    return finish(head);
}

/// A redirect, because a proxy in front may have rules for the path that is meant.
Answer ReadOnlyResponder::answer_dot_segments(const RequestTarget& target) {
    const std::optional<std::string> path = without_dot_segments(target.encoded_path);
    if (!path) return status_page(Status::bad_request);
    ResponseHead head = begin(Status::moved_permanently);
    head.add("Location", *path + std::string{target.query});
    add_headers(head, target.path);
    return status_page(head, Status::moved_permanently);
}

}  // namespace bullpen::http
