/* Preloaded into a program: notes every name that it looks up and every address beyond this
 * machine that it would talk to, one a line, in the file that NETWATCH_LOG names. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what, const char *whom) {
  const char *path = getenv("NETWATCH_LOG");
  char line[600];
  int file, length;
  if (!path || (file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) return;
  length = snprintf(line, sizeof line, "%s %s\n", what, whom ? whom : "");
  if (write(file, line, length) < 0) perror("netwatch");
  close(file);
}

static void note_address(const char *what, const struct sockaddr *address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (!address) return;
  if (address->sa_family == AF_INET) {
    const struct in_addr *ip = &((const struct sockaddr_in *)address)->sin_addr;
    unsigned first = ntohl(ip->s_addr) >> 24;
    if (first == 127 || first == 0) return;
    inet_ntop(AF_INET, ip, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    const struct in6_addr *ip = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(ip) || IN6_IS_ADDR_UNSPECIFIED(ip)) return;
    inet_ntop(AF_INET6, ip, text, sizeof text);
  } else {
    return;
  }
  note(what, text);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result) {
  int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
      dlsym(RTLD_NEXT, "getaddrinfo");
  if (node) note("lookup", node);
  return next(node, service, hints, result);
}

struct hostent *gethostbyname(const char *name) {
  struct hostent *(*next)(const char *) = dlsym(RTLD_NEXT, "gethostbyname");
  note("lookup", name);
  return next(name);
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
  int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  note_address("connect", address);
  return next(socket, address, length);
}

ssize_t sendto(int socket, const void *data, size_t size, int flags,
               const struct sockaddr *address, socklen_t length) {
  ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
      dlsym(RTLD_NEXT, "sendto");
  note_address("sendto", address);
  return next(socket, data, size, flags, address, length);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
  ssize_t (*next)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
  note_address("sendmsg", message->msg_name);
  return next(socket, message, flags);
}
