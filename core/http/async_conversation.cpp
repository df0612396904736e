#include "core/http/async_conversation.hpp"

#include <algorithm>

#include "core/http/async_head_reader.hpp"
#include "core/http/http_metrics.hpp"

namespace bullpen::http {
namespace {

boost::asio::awaitable<void> send_pieces(AsyncConnection& client, const Answer& answer) {
    co_await client.write_before_more(answer.bytes);
    count_sent(answer.bytes.size());
    for (std::uint64_t left = answer.body_size; left > 0;) {
        const std::string_view piece = answer.body.substr(0, left);
        co_await client.write_all(piece);
        left -= piece.size();
        count_sent(piece.size());
    }
    if (answer.file_size > 0) {
        co_await client.send_file(answer.file, static_cast<off_t>(answer.file_offset), answer.file_size);
        count_sent(answer.file_size);
    }
}

}  // namespace

boost::asio::awaitable<void> converse(AsyncConnection& client, Responder& responder) {
    AsyncHeadReader heads{client};
    for (;;) {
        const AsyncHeadReader::Outcome found = co_await heads.next();
        if (found == AsyncHeadReader::Outcome::end) co_return;
        const Answer answer = responder.answer(found, heads.head(), heads.has_more(), client.draining());
        count_request(heads.head(), answer.bytes);
        heads.skip_body(answer.request_body_size);
        if (answer.delay.count() > 0) co_await client.sleep_for(answer.delay);
        if (!answer.is_in_one_piece()) {
            co_await send_pieces(client, answer);
        } else {
            if (answer.keep_alive)
                co_await client.write_all(answer.bytes);
            else
                co_await client.write_last(answer.bytes);
            count_sent(answer.bytes.size());
        }
        if (answer.keep_alive) continue;
        if (answer.linger) co_await client.linger();
        co_return;
    }
}

}  // namespace bullpen::http
