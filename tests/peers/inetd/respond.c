/* For a superserver: reads one HTTP request from its standard input, answers it with 128 bytes, ends. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\nConnection: close\r\n\r\n"

int main(void) {
    char request[4096];
    size_t size = 0;
    request[0] = '\0';
    while (!strstr(request, "\r\n\r\n")) {
        const ssize_t got = read(STDIN_FILENO, request + size, sizeof request - 1 - size);
        if (got <= 0) return 1;
        size += (size_t)got;
        request[size] = '\0';
    }
    if (strncmp(request, "GET /slow ", 10) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);

    char answer[sizeof HEAD - 1 + 128];
    memset(answer, 'x', sizeof answer);
    memcpy(answer, HEAD, sizeof HEAD - 1);
    return write(STDOUT_FILENO, answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1;
}
