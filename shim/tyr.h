/*
 * libtyr-drm.so: carries DRM calls of an unmodified program to a Tyr machine.
 *
 * Preloaded into a guest process (LD_PRELOAD, TYR_MACHINE=<the machine's folder>), it does six things:
 *   path.c, files.c  paths below /dev/dri, /dev/input, /sys and the like are looked up in the machine's tree instead;
 *   node.c           open of a node, ioctl and mmap on a descriptor that is the machine's become messages to it;
 *   fdinfo.c         what /proc tells of such descriptors;
 *   stat.c           what /proc tells of this process;
 *   events.c         read of a node gives whole events, write of an input device brings some;
 *   channel.c        the messages, over connections to the machine that the threads of the process share, and that programs which close
 *                    everything leave open (offer.c: what comes before it is asked for; mailbox.c: what needs no system call);
 *   exec.c, spawn.c  programs of the guest start other programs of the guest (start.c finds out how, guest.c where).
 * Everything else (dup, fork, exec, passing, poll, close of the rest, the last close by SIGKILL) is the kernel's own work, since
 * a DRM file or sync file in the guest is one end of a socket pair. The library knows no driver: it carries bytes and
 * descriptors. Without TYR_MACHINE it stands aside.
 *
 * It is compiled by tcc too, so: no thread-local storage, no atomics, no constructor.
 */
#ifndef TYR_H
#define TYR_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/stat.h>
#include <sys/types.h>

#include "protocol.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* The C library's own function of the same name. */
#define NEXT(name) ((__typeof__(&name))tyr_next((void **)&tyr_next_##name, #name))
#define DECLARE_NEXT(name) static void *tyr_next_##name
HIDDEN void *tyr_next(void **cache, const char *name);

/* --- channel.c --- */

/* Memory that the machine expects to be mapped next. */
struct tyr_offer {
   int fd;             /* -1: none */
   uint64_t inode;     /* its, since somebody may close it behind our back */
   uint64_t end, at, size;
};

/* One request and what comes back. */
struct tyr_call {
   struct tyr_request request;
   int fd;            /* descriptor that rides on the request, or -1; request.named may be another */
   const void *in;    /* caller's memory that goes with the request; may be a bad address */
   size_t in_size;
   void *out;         /* caller's memory that the answer overwrites; may be a bad address */
   size_t out_size;
   int result_fd;     /* descriptor that is the result, or -1 */
   struct tyr_offer offer;
};

/* Runs the request. Returns the machine's value, or -errno; -ENODEV when there is no machine. */
HIDDEN int64_t tyr_call(struct tyr_call *call);
/* Closes a descriptor, be it a channel's. */
HIDDEN int tyr_close(int fd);

/* --- mailbox.c --- */

/* A mailbox behind this descriptor, or NULL. */
HIDDEN void *tyr_mailbox_map(int fd);
HIDDEN void tyr_mailbox_unmap(void *box);
/*
 * How this call is best made: by the socket alone, by a packet whose answer is looked for in the mailbox, or by mail. Where it
 * is not the socket alone, the caller's memory is good. `box` may be NULL.
 */
enum tyr_way { TYR_BY_SOCKET, TYR_BY_PACKET, TYR_BY_MAIL };
HIDDEN enum tyr_way tyr_mailbox_way(void *box, const struct tyr_call *call);
/* Puts the request in. */
HIDDEN void tyr_mailbox_ask(void *box, const struct tyr_call *call);
/* Tells that the request with this number is a packet. */
HIDDEN void tyr_mailbox_announce(void *box, uint32_t serial);
enum tyr_told { TYR_NOTHING, TYR_PACKET, TYR_ANSWER };
/* Waits a moment for what the machine tells: an answer, with the argument in its place, a packet, or nothing yet. */
HIDDEN enum tyr_told tyr_mailbox_wait(void *box, struct tyr_call *call, struct tyr_reply *reply);
/* The socket is lost: has the machine taken this request? Waits until it has noticed the loss itself. */
HIDDEN int tyr_mailbox_taken(void *box, uint32_t serial);
/* Can a number be read there? The kernel does the check, and then finds that there is nothing to do. */
HIDDEN int tyr_readable(const void *at);

/* --- offer.c --- */

/* Is this descriptor still of the file with this inode, and not closed behind our back? */
HIDDEN int tyr_is_still(int fd, uint64_t inode);
/* Does this call want what was offered at the end of the last one? Then it is done. An offer is good but once. */
HIDDEN int tyr_takes_offer(struct tyr_offer *offer, struct tyr_call *call);

/* --- path.c --- */

#define TYR_PATH_MAX 4096

/* Is there a machine for this process at all? */
HIDDEN int tyr_enabled(void);
/* The machine's folder joined with `name`, in `buffer`; 0 if it does not fit. */
HIDDEN int tyr_machine_path(const char *name, char *buffer, size_t size);
/*
 * The path to use instead of `path`: itself, or one in the machine's tree, written to `buffer`. In a guest without an
 * emulator also one in the guest's root.
 */
HIDDEN const char *tyr_redirect(const char *path, char buffer[TYR_PATH_MAX]);
/* The same, and one in the guest's root in any guest: for calls whose paths qemu-user leaves alone. */
HIDDEN const char *tyr_redirect_all(const char *path, char buffer[TYR_PATH_MAX]);
/* An absolute path, in `buffer`, for one that is relative to a descriptor of the root folder; else the path itself. */
HIDDEN const char *tyr_from_root(int *dirfd, const char *path, char buffer[TYR_PATH_MAX]);
/* Takes the tree's or the root's own folder off the start of a path of `length` bytes. Returns the new length. */
HIDDEN size_t tyr_strip(char *path, size_t length);
/* N if `path` is /proc/self/fd/N or the like, else -1. */
HIDDEN int tyr_descriptor_path(const char *path);
/* Is this the placeholder of a node? Then its number (TYR_MINOR_BITS of minor, the rest major), else -1. */
HIDDEN int tyr_placeholder(const struct stat *st);
/* Is this open file one that takes what is written: an attribute of /sys? The machine's tree marks them by S_ISGID. */
HIDDEN int tyr_is_attribute(int fd);
HIDDEN int tyr_marked(const struct stat *st);
/* Is this open file one of the tree's that stand for /sys? */
HIDDEN int tyr_in_sys(int fd);
/* stat by the kernel's own call. `flags` are AT_*. */
HIDDEN int tyr_stat(int dirfd, const char *path, struct stat *st, int flags);

/* --- guest.c --- */

/* What a process of the guest knows about its world. */
struct tyr_guest {
   const char *emulator; /* the program that runs the guest's programs, "" where this host does itself */
   const char *root;     /* the folder with the guest's files */
   size_t root_length;
   const char *library;  /* the folder with this library */
   const char *folders;  /* where this host's loader looks before the root's common library folders: "A:B", or "" */
   const char *behind;   /* and where behind them */
   const char *variable; /* "TYR_GUEST=..." */
   const char *machine;  /* "TYR_MACHINE=...", or NULL */
};

/* NULL in a program of the host. */
HIDDEN const struct tyr_guest *tyr_guest(void);
/* Gives the process the name of its program. */
HIDDEN void tyr_take_name(void);
/* The value that an environment variable had when this process was started, in `buffer`; NULL if none, or too long. */
HIDDEN const char *tyr_variable(const char *name, char *buffer, size_t size);
/* Is this /proc/self/exe or the like? */
HIDDEN int tyr_is_own_exe(const char *path);
/* The link that it is to this process's program: its length, or -1 and errno. */
HIDDEN ssize_t tyr_own_exe(char *out, size_t size);
/* Does the guest's root have this absolute path? Then `buffer` is where. */
HIDDEN int tyr_in_root(const char *path, char buffer[TYR_PATH_MAX]);
/* Is this below a folder that is the guest's alone, whatever the host has there? */
HIDDEN int tyr_of_the_guest(const char *path);

/* --- start.c --- */

#define TYR_SCRIPTS 5     /* scripts that are each other's interpreters, as in the kernel */
#define TYR_SCRIPT_LINE 256

/* How a file of the guest is executed on this host. */
struct tyr_start {
   int ours;              /* a program of the guest, to be started by its emulator or its dynamic loader */
   const char *argv0;
   int count;             /* words that stand before argv[1] */
   const char *words[2 * TYR_SCRIPTS];
   char file[TYR_PATH_MAX]; /* the program, where the host has it */
   char lines[TYR_SCRIPTS][TYR_SCRIPT_LINE];
   char descriptor[TYR_PATH_MAX]; /* what a script is called that only a descriptor names */
};

/* A flag besides AT_*: when the program starts, its current folder will be `dirfd`. */
#define TYR_WILL_BE_THERE 0x40000000
/* Finds out. Returns 0 or an errno. `path` must stay as long as `start`. */
HIDDEN int tyr_find_start(struct tyr_start *start, int dirfd, const char *path, int flags, const char *argv0);
/*
 * Calls go(context, file, argv, envp) with what execve must be given to start that program with the caller's argv and
 * envp. Returns go's result, or -1 and errno.
 */
HIDDEN int tyr_with_start(const struct tyr_start *start, char *const argv[], char *const envp[],
                          int (*go)(void *context, const char *file, char **argv, char **envp), void *context);

/* --- exec.c --- */

/* Calls attempt(context, path) for `file` in each folder of PATH, as execvp does. Returns 0 or an errno. */
HIDDEN int tyr_search(const char *file, int (*attempt)(void *context, const char *path), void *context);

/* --- node.c --- */

/* A DRM file, an input device's, a sync file. */
enum tyr_kind { TYR_NONE, TYR_FILE, TYR_INPUT, TYR_SYNC };
struct tyr_identity {
   enum tyr_kind kind;
   unsigned device; /* of a file, its node's number */
   uint64_t end;    /* the machine's number of it */
};

/* Is it the open file of a node? */
static inline int tyr_is_node(const struct tyr_identity *identity)
{
   return identity->kind == TYR_FILE || identity->kind == TYR_INPUT;
}

/* What the descriptor is to the machine. Leaves errno alone. */
HIDDEN struct tyr_identity tyr_identify(int fd);
/* Opens the node with this number: a descriptor, or -1 and errno. */
HIDDEN int tyr_open_node(unsigned device, int flags);
/* A call about the descriptor, which is the machine's. */
HIDDEN void tyr_about(struct tyr_call *call, int fd, const struct tyr_identity *identity);
/* Runs it as a system call: the machine's value, or -1 and errno. */
HIDDEN int64_t tyr_run(struct tyr_call *call);

/* --- fdinfo.c --- */

/* Opens what /proc tells of a node's file, of this process or another; -1, and errno as it was, for all other paths. */
HIDDEN int tyr_open_fdinfo(int dirfd, const char *path, int flags);
/* The node whose file is /proc/PID/fd/N of another process, else -1. */
HIDDEN long tyr_foreign_node(int dirfd, const char *path);

/* --- stat.c --- */

/* Opens what /proc tells of this process, where an emulator makes up what others are told otherwise; -1, and errno as it was, if not. */
HIDDEN int tyr_open_stat(const char *path, int flags);

#endif
