#include "core/http/status_page.hpp"

#include <array>

namespace bullpen::http {

std::string StatusPage::text(Status status) {
    return std::string{status_text(status)} + "\n";
}

void StatusPage::add_lines(ResponseHead& head, Status status) {
    if (status == Status::method_not_allowed) head.add("Allow", implemented_methods);
    if (status == Status::unavailable) head.add("Retry-After", "1");
}

std::string undated_answer(Status status) {
    std::array<char, 1024> room;
    ResponseHead head{room, status};
    head.add_server_lines();
    head.add("Connection", "close");
    StatusPage::add_lines(head, status);
    const std::string text = StatusPage::text(status);
    head.add("Content-Type", StatusPage::type);
    head.add("Content-Length", text.size());
    return std::string{head.finish()} + text;
}

}  // namespace bullpen::http
