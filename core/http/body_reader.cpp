#include "core/http/body_reader.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/http/http_metrics.hpp"
#include "core/transfer_progress.hpp"

namespace bullpen::http {

std::size_t BodyReader::begin_with(std::string_view bytes) {
    has_begun_ = !bytes.empty();
    return add(bytes);
}

BodyReader::Outcome BodyReader::read() {
    if (least_left() > 0 && wanted_.expects_continue && !has_begun_) invite();
    TransferProgress progress{client_.limits().body, client_.limits().body_rate};
    std::array<char, 16 * 1024> room;  // A length that the client only says takes no memory.
    std::size_t size = 0;
    while (const std::size_t left = least_left()) {
        const std::span<char> wanted = std::span{room}.first(std::min(left, room.size()));
        size =
            client_.read_before(std::as_writable_bytes(wanted), progress.deadline_after(size), Limit::body);
        if (size == 0) return Outcome::malformed;
        count_received(size);
        static_cast<void>(add({room.data(), size}));
    }
    if (!wanted_.is_chunked || decoder_.outcome() == ChunkDecoder::Outcome::whole) return Outcome::whole;
    return decoder_.outcome() == ChunkDecoder::Outcome::too_long ? Outcome::too_long : Outcome::malformed;
}

std::size_t BodyReader::add(std::string_view bytes) {
    if (wanted_.is_chunked) return decoder_.decode(bytes, body_);
    const std::size_t size = std::min(bytes.size(), wanted_.size - body_.size());
    body_.append(bytes, 0, size);
    return size;
}

std::size_t BodyReader::least_left() const noexcept {
    return wanted_.is_chunked ? decoder_.least_left() : wanted_.size - body_.size();
}

void BodyReader::invite() {
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    client_.write_all(go_on);
    count_sent(go_on.size());
}

}  // namespace bullpen::http
