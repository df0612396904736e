/// work: answers that take a given time or have a given size, for measuring designs.
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <system_error>

#include "core/http/async_conversation.hpp"
#include "core/http/conversation.hpp"
#include "core/http/read_only_responder.hpp"
#include "core/parse_number.hpp"
#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace http {
namespace {

constexpr std::uint64_t bytes_most = std::uint64_t{64} * 1024 * 1024;
constexpr std::size_t file_most = std::size_t{1024} * 1024;
constexpr std::uint64_t cpu_us_most = 60'000'000;
constexpr std::uint64_t sleep_ms_most = 60'000;
constexpr std::size_t timed_body_size = 128;

/// The 256 KiB that are written of a body in one call; made once for the process.
std::string_view body_piece() {
    static const std::string piece(std::size_t{256} * 1024, 'x');
    return piece;
}

/// A file of file_most bytes, for measuring how a file is sent (TLPI 61.4, exercise 61-3); made once for the
/// process. Throws std::system_error.
int body_file() {
    static const UniqueFd file = [] {
        UniqueFd made{::memfd_create("bullpen-work", MFD_CLOEXEC)};
        const std::string bytes(file_most, 'x');
        if (::write(made.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
            throw std::system_error{errno, std::generic_category(), "cannot make the service work's file"};
        return made;
    }();
    return file.get();
}

std::optional<std::uint64_t> parse_amount(std::string_view digits, std::uint64_t most) noexcept {
    const auto amount = parse_number<std::uint64_t>(digits);
    return amount && *amount <= most ? amount : std::nullopt;
}

std::uint64_t thread_cpu_ns() noexcept {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(used.tv_nsec);
}

/// Uses `microseconds` of the thread's CPU time, and no memory.
void compute(std::uint64_t microseconds) noexcept {
    constexpr int rounds = 1000;  // They take about a microsecond; then the clock is read again.
    const std::uint64_t end_ns = thread_cpu_ns() + microseconds * 1000;
    std::uint64_t value = end_ns | 1;
    do {
        for (int i = 0; i < rounds; ++i) {
            value ^= value << 13U;
            value ^= value >> 7U;
            value ^= value << 17U;
        }
        volatile std::uint64_t sink = value;  // Keeps the compiler from dropping the computation.
        static_cast<void>(sink);
    } while (thread_cpu_ns() < end_ns);
}

class WorkResponder final : public ReadOnlyResponder {
    Answer respond(const Request&, const RequestTarget& target) override {
        const std::string_view path = target.path;
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string_view kind = path.substr(0, slash);
        const std::string_view digits = path.substr(std::min(slash + 1, path.size()));
        if (kind == "bytes") return answer_bytes(parse_amount(digits, bytes_most));
        if (kind == "file") return answer_file(parse_amount(digits, file_most));
        if (kind == "copy") return answer_copy(parse_amount(digits, file_most));
        if (kind == "cpu") return answer_cpu(parse_amount(digits, cpu_us_most));
        if (kind == "sleep") return answer_sleep(parse_amount(digits, sleep_ms_most));
        return status_page(Status::not_found);
    }

    std::string_view repeated_body() const noexcept override { return body_piece(); }

    Answer answer_bytes(std::optional<std::uint64_t> size) {
        return size ? body_of(*size) : status_page(Status::bad_request);
    }

    /// From a file by sendfile(2).
    Answer answer_file(std::optional<std::uint64_t> size) {
        if (!size) return status_page(Status::bad_request);
        Answer answer = head_alone(*size);
        if (is_head()) return answer;
        answer.file = body_file();
        answer.file_size = *size;
        return answer;
    }

    /// From the same file by read(2) and write(2).
    Answer answer_copy(std::optional<std::uint64_t> size) {
        if (!size) return status_page(Status::bad_request);
        Answer answer = head_alone(*size);
        if (is_head()) return answer;
        copied_.resize(*size);
        if (::pread(body_file(), copied_.data(), copied_.size(), 0) != static_cast<ssize_t>(copied_.size()))
            return status_page(Status::internal_error);
        answer.body = copied_;
        answer.body_size = copied_.size();
        return answer;
    }

    Answer answer_cpu(std::optional<std::uint64_t> microseconds) {
        if (!microseconds) return status_page(Status::bad_request);
        compute(*microseconds);
        return body_of(timed_body_size);
    }

    Answer answer_sleep(std::optional<std::uint64_t> milliseconds) {
        if (!milliseconds) return status_page(Status::bad_request);
        Answer answer = body_of(timed_body_size);
        answer.delay = std::chrono::milliseconds{*milliseconds};
        return answer;
    }

    ResponseHead head_of(std::uint64_t size) {
        ResponseHead head = begin(Status::ok);
        head.add("Content-Type", "application/octet-stream");
        head.add("Content-Length", size);
        return head;
    }

    Answer head_alone(std::uint64_t size) {
        ResponseHead head = head_of(size);
        return finish(head);
    }

    Answer body_of(std::uint64_t size) {
        ResponseHead head = head_of(size);
        if (size <= small_body_max) return finish(head, body_piece().substr(0, size));
        Answer answer = finish(head);
        if (is_head()) return answer;
        answer.body = body_piece();
        answer.body_size = size;
        return answer;
    }

    std::string copied_;  ///< Of the file, for the answer on its way.
};

boost::asio::awaitable<void> work(AsyncConnection& client) {
    WorkResponder responder;
    co_await converse(client, responder);
}

}  // namespace
}  // namespace http

Handler make_work(const ServiceOptions&) {
    http::body_piece();
    http::body_file();
    return [](Connection& client) {
        http::WorkResponder responder;
        return http::converse(client, responder);
    };
}

AsyncHandler make_async_work(const ServiceOptions&) {
    http::body_piece();
    http::body_file();
    return http::work;
}

Program make_work_program(const ServiceOptions&) {
    return own_program("work");
}

}  // namespace bullpen
