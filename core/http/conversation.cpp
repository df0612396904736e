#include "core/http/conversation.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "core/http/body_reader.hpp"
#include "core/http/http_metrics.hpp"
#include "core/transfer_progress.hpp"

namespace bullpen::http {
namespace {

/// What survives while a connection is parked, in Connection::state(). Another worker may have written it:
/// nothing in it is trusted.
struct Memory {
    enum class Phase : std::uint8_t {
        reading,    ///< A head, or before one.
        sending,    ///< Connection::file(), from `offset` on.
        repeating,  ///< Responder::repeated_body(), from `offset` on.
        lingering,  ///< The answer has left; the client may still be sending.
    };

    HeadProgress head;
    Phase phase = Phase::reading;
    bool keep_alive = false;
    bool linger = false;
    std::uint64_t offset = 0;
    std::uint64_t left = 0;         ///< Bytes of the body still to be sent.
    std::uint64_t deadline_ns = 0;  ///< Of sending (CLOCK_MONOTONIC). 0: not yet set.
    std::uint64_t lingering_since_ns = 0;
};
static_assert(sizeof(Memory) <= sizeof(ConnectionState) && std::is_trivially_copyable_v<Memory>);
static_assert(offsetof(Memory, head) == 0, "HeadReader writes it to the state's beginning");

TimePoint at(std::uint64_t ns) noexcept {
    return TimePoint{std::chrono::nanoseconds{ns}};
}

std::uint64_t to_ns(std::chrono::nanoseconds span) noexcept {
    return static_cast<std::uint64_t>(span.count());
}

/// Makes an anonymous file with this content, so that the rest of every answer is sent from a file.
UniqueFd file_with(std::string_view content) {
    UniqueFd file{::memfd_create("bullpen-answer", MFD_CLOEXEC)};
    while (file && !content.empty()) {
        const ssize_t size = ::write(file.get(), content.data(), content.size());
        if (size < 0) break;
        content.remove_prefix(static_cast<std::size_t>(size));
    }
    if (!content.empty())
        throw std::system_error{errno, std::generic_category(), "keep the rest of an answer"};
    return file;
}

class Conversation {
public:
    Conversation(Connection& client, Responder& responder) noexcept
        : client_{client}, responder_{responder}, heads_{client} {
        std::memcpy(&memory_, client.state().data(), sizeof memory_);
    }

    Next go_on() {
        for (;;) {
            if (const std::optional<Next> next = step()) {
                remember();
                return *next;
            }
        }
    }

private:
    std::optional<Next> step() {
        switch (memory_.phase) {
            case Memory::Phase::reading: return serve_request();
            case Memory::Phase::sending: return send_rest_of_file(client_.file().get());
            case Memory::Phase::repeating: return send_repeated();
            case Memory::Phase::lingering: return linger();
        }
        return Next::close;
    }

    std::optional<Next> serve_request();
    Answer answer_with(BodyWanted wanted);
    std::optional<Next> send(Answer answer);
    void take_request();
    void remember() noexcept { std::memcpy(client_.state().data(), &memory_, sizeof memory_); }
    std::optional<Next> send_or_keep(std::string_view bytes, bool last);
    std::optional<Next> send_rest_of_file(int file);
    std::optional<Next> send_repeated();
    std::optional<Next> after_answer();
    std::optional<Next> linger();
    void begin(Memory::Phase phase, std::uint64_t offset, std::uint64_t size) noexcept;
    [[nodiscard]] bool moved_on(std::size_t size, std::size_t wanted) noexcept;

    Connection& client_;
    Responder& responder_;
    HeadReader heads_;
    Memory memory_;
    bool has_request_ = false;  ///< The request is still in the kernel's buffer.
    std::uint32_t request_body_size_ = 0;
};

std::optional<Next> Conversation::serve_request() {
    const std::optional<HeadBuffer::Outcome> found = heads_.next(memory_.head);
    if (!found) return Next::await_input;
    if (*found == HeadBuffer::Outcome::end) return Next::close;
    const std::string_view head = heads_.head();
    client_.begin_request(head.substr(0, head.find('\r')));
    has_request_ = *found == HeadBuffer::Outcome::head;
    Answer answer = responder_.answer(*found, head, heads_.has_more(), client_.draining());
    if (answer.body_wanted) answer = answer_with(*answer.body_wanted);
    if (!answer.is_in_one_piece() && client_.can_be_parked() && !client_.is_writable()) {
        client_.wait_at_most({Limit::write});  // The request stays unread and is answered then.
        return Next::await_output;
    }
    count_request(head, answer.bytes);
    request_body_size_ = answer.request_body_size;
    return send(std::move(answer));
}

/// Takes the request with its body, which a worker that crashes afterwards has lost.
Answer Conversation::answer_with(BodyWanted wanted) {
    BodyReader reader{client_, wanted};
    request_body_size_ = static_cast<std::uint32_t>(reader.begin_with(heads_.behind_head()));
    take_request();
    switch (reader.read()) {
        case BodyReader::Outcome::too_long: return responder_.refuse_body(Status::content_too_large);
        case BodyReader::Outcome::malformed: return responder_.refuse_body(Status::bad_request);
        case BodyReader::Outcome::whole: break;
    }
    return responder_.answer_body(reader.body(), heads_.has_more(), client_.draining());
}

/// Takes the request out of the kernel's buffer once its answer has begun to leave: if the worker crashes
/// before that, another one finds it there (Options::retry_crashed).
void Conversation::take_request() {
    if (std::exchange(has_request_, false)) heads_.take(memory_.head, request_body_size_);
}

std::optional<Next> Conversation::send(Answer answer) {
    if (answer.delay.count() > 0) std::this_thread::sleep_for(answer.delay);
    memory_.keep_alive = answer.keep_alive;
    memory_.linger = answer.linger;
    if (answer.is_in_one_piece()) return send_or_keep(answer.bytes, !answer.keep_alive);
    client_.write_before_more(answer.bytes);
    count_sent(answer.bytes.size());
    take_request();
    if (answer.file_size > 0) {
        begin(Memory::Phase::sending, answer.file_offset, answer.file_size);
        if (answer.opened) client_.file() = std::move(answer.opened);
        return send_rest_of_file(answer.file);
    }
    if (answer.body_size <= answer.body.size())
        return send_or_keep(answer.body.substr(0, answer.body_size), false);
    begin(Memory::Phase::repeating, 0, answer.body_size);
    return send_repeated();
}

/// Sends bytes. The last of an answer are corked (MSG_MORE), so that they and the server's end leave in one
/// segment at the close. Bytes that the client doesn't take now go into a file, which any worker can send
/// later.
std::optional<Next> Conversation::send_or_keep(std::string_view bytes, bool last) {
    const std::size_t sent = client_.write_some(bytes, last);
    count_sent(sent);
    take_request();
    if (sent == bytes.size()) return after_answer();
    client_.file() = file_with(bytes.substr(sent));
    begin(Memory::Phase::sending, 0, bytes.size() - sent);
    return send_rest_of_file(client_.file().get());
}

std::optional<Next> Conversation::send_rest_of_file(int file) {
    while (memory_.left > 0) {
        const std::size_t size =
            client_.send_file_some(file, static_cast<off_t>(memory_.offset), memory_.left);
        if (moved_on(size, memory_.left)) continue;
        if (!client_.file()) client_.file().reset(::fcntl(file, F_DUPFD_CLOEXEC, 0));
        return Next::await_output;
    }
    client_.file().reset();
    return after_answer();
}

std::optional<Next> Conversation::send_repeated() {
    const std::string_view body = responder_.repeated_body();
    if (body.empty()) return Next::close;
    while (memory_.left > 0) {
        const std::string_view piece = body.substr(memory_.offset % body.size()).substr(0, memory_.left);
        if (!moved_on(client_.write_some(piece), piece.size())) return Next::await_output;
    }
    return after_answer();
}

void Conversation::begin(Memory::Phase phase, std::uint64_t offset, std::uint64_t size) noexcept {
    memory_.phase = phase;
    memory_.offset = offset;
    memory_.left = size;
    memory_.deadline_ns = 0;
}

/// Returns false if the connection should be parked until the client takes more.
bool Conversation::moved_on(std::size_t size, std::size_t wanted) noexcept {
    count_sent(size);
    memory_.offset += size;
    memory_.left -= std::min<std::uint64_t>(size, memory_.left);
    if (size == wanted || !client_.can_be_parked()) return true;
    const TimeLimits& limits = client_.limits();
    const TimePoint now = Clock::now();
    const TimePoint deadline = memory_.deadline_ns == 0 ? now + limits.write : at(memory_.deadline_ns);
    const TimePoint next = extended(deadline, now, limits.write, limits.write_rate, size);
    client_.wait_at_most({Limit::write, next});
    memory_.deadline_ns = to_ns(next.time_since_epoch());
    return false;
}

std::optional<Next> Conversation::after_answer() {
    memory_.phase = Memory::Phase::reading;
    remember();
    if (memory_.keep_alive && client_.can_be_parked() && client_.somebody_waits() && !heads_.has_more()) {
        client_.wait_at_most({});
        return Next::await_input;  // The next request has hardly arrived yet: a read would be wasted.
    }
    if (memory_.keep_alive) return {};
    if (!memory_.linger) return Next::close;
    if (!client_.can_be_parked()) {
        client_.linger();
        return Next::close;
    }
    client_.shutdown_write();
    memory_.phase = Memory::Phase::lingering;
    memory_.lingering_since_ns = monotonic_ns();
    return {};
}

std::optional<Next> Conversation::linger() {
    return client_.linger_a_turn(at(memory_.lingering_since_ns)) ? Next::await_input : Next::close;
}

}  // namespace

Next converse(Connection& client, Responder& responder) {
    return Conversation{client, responder}.go_on();
}

}  // namespace bullpen::http
