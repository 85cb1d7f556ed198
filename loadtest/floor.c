/* The least that can stand between a client and a backend: octets from one socket to the other, nothing read,
 * nothing counted. What a proxy costs above it is its own doing.
 *
 * cc -O2 floor.c -o floor; ./floor LISTEN_PORT BACKEND_PORT, both on 127.0.0.1. One thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OCTETS = 64 * 1024, EVENTS = 256 };

/* One direction's source. What its other side did not take yet waits in `octets`, `from` to `to`. */
struct end {
    int socket;
    struct end *other;
    size_t from, to;
    int is_over;
    char octets[OCTETS];
};

static int epoll_fd;
/* Ends to be freed when the events of this turn are done. */
static struct end *dead[2 * EVENTS];
static int dead_count;

static struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void watch(struct end *end)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = end};
    int on = 1;
    setsockopt(end->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, end->socket, &event);
}

static void hang_up(struct end *end)
{
    if (end->is_over)
        return;
    struct end *pair[] = {end, end->other};
    for (int at = 0; at < 2; at++) {
        close(pair[at]->socket);
        pair[at]->is_over = 1;
        dead[dead_count++] = pair[at];
    }
}

/* Moves octets from `end` to the other side until one of the two has enough. */
static void move(struct end *end)
{
    while (!end->is_over) {
        while (end->from < end->to) {
            ssize_t sent = send(end->other->socket, end->octets + end->from, end->to - end->from, MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN)
                return;
            if (sent < 0)
                return hang_up(end);
            end->from += sent;
        }
        ssize_t got = recv(end->socket, end->octets, OCTETS, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            return hang_up(end);
        end->from = 0;
        end->to = got;
    }
}

static void take_in(int listener, const struct sockaddr_in *backend)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int upstream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(upstream, (const struct sockaddr *)backend, sizeof *backend);
        struct end *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
        if (!a || !b || upstream < 0)
            exit(1);
        a->socket = client, a->other = b;
        b->socket = upstream, b->other = a;
        watch(a);
        watch(b);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floor LISTEN_PORT BACKEND_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in here = loopback(argv[1]), backend = loopback(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 65535)) {
        perror("listen");
        return 1;
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int at = 0; at < count; at++) {
            struct end *end = events[at].data.ptr;
            if (!end) {
                take_in(listener, &backend);
            } else if (!end->is_over) {
                move(end);
                move(end->other);
            }
        }
        while (dead_count > 0)
            free(dead[--dead_count]);
    }
}
