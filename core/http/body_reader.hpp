/// Reads the body of a request, in the blocking form.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <bullpen/connection.hpp>
#include "core/http/answer.hpp"
#include "core/http/chunk_decoder.hpp"

namespace bullpen::http {

/// Takes nothing of what follows the body.
class BodyReader {
public:
    enum class Outcome { whole, too_long, malformed };

    /// Borrows the connection.
    BodyReader(Connection& client, const BodyWanted& wanted) noexcept
        : client_{client}, wanted_{wanted}, decoder_{wanted.size_max} {}

    /// What is known of the body before it is read: bytes behind the head. Returns how many belong to it.
    [[nodiscard]] std::size_t begin_with(std::string_view bytes);

    /// Reads the rest within the body limit, after a 100 (Continue) if the client may wait for that. Throws
    /// what Connection does. A body whose client ends its side within it is malformed.
    [[nodiscard]] Outcome read();

    [[nodiscard]] std::string_view body() const noexcept { return body_; }

private:
    [[nodiscard]] std::size_t add(std::string_view bytes);
    [[nodiscard]] std::size_t least_left() const noexcept;
    void invite();

    Connection& client_;
    BodyWanted wanted_;
    ChunkDecoder decoder_;
    std::string body_;
    bool has_begun_ = false;
};

}  // namespace bullpen::http
