/* The wire between this library and the machine. Printed from src/abi/shim.ts by src/host/shim-header.ts. */
#ifndef TYR_PROTOCOL_H
#define TYR_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define TYR_VERSION 7
#define TYR_DRM_MAJOR 226
#define TYR_INPUT_MAJOR 13
#define TYR_MINOR_BITS 20
#define TYR_CHUNK 65536
#define TYR_MAX_FDS 16
#define TYR_REQUEST_HELLO 1
#define TYR_REQUEST_OPEN 2
#define TYR_REQUEST_IOCTL 3
#define TYR_REQUEST_MMAP 4
#define TYR_REQUEST_DATA 5
#define TYR_REQUEST_GIVE 6
#define TYR_REQUEST_READY 7
#define TYR_REQUEST_SLEEP 8
#define TYR_REQUEST_READ 9
#define TYR_REQUEST_WRITE 10
#define TYR_REQUEST_FDINFO 11
#define TYR_HELLO_MAILBOX 1
#define TYR_REPLY_READ 1
#define TYR_REPLY_TAKE 2
#define TYR_REPLY_WRITE 3
#define TYR_REPLY_DONE 4
#define TYR_PLACE_RESULT 0
#define TYR_PLACE_ARGUMENT 1
#define TYR_PLACE_MEMORY 2
#define TYR_PLACE_OFFER 3
#define TYR_MAILBOX_SIZE 4096
#define TYR_MAILBOX_GUEST 64
#define TYR_MAILBOX_REQUEST 128
#define TYR_MAILBOX_ANSWER 2048

#define TYR_NAMED { 25646, 8 }, { 25794, 8 }, { 25807, 16 }, { 25091, 4 }, { 15875, 32 }, { 22274, 12 }
#define TYR_BY_VALUE { 17808 }, { 17809 }, { 17793 }
#define TYR_READ_TOO { 17668 }, { 17674 }, { 17810 }
#define TYR_ENVIRONMENT "TYR_MACHINE"
#define TYR_GUEST "TYR_GUEST"
#define TYR_CPU "cortex-a76"
#define TYR_SOCKET "socket"
#define TYR_TREE "root"
#define TYR_ADDRESS_PREFIX "tyr/"
#define TYR_ADDRESS_SYNC "sync"

struct tyr_request {
   uint32_t kind;
   uint32_t number;
   uint32_t flags;
   int32_t subject;
   uint64_t address;
   uint64_t size;
   uint64_t end;
   int32_t named;
   uint32_t serial;
};

struct tyr_reply {
   uint32_t kind;
   uint32_t fds;
   uint32_t size;
   uint32_t argSize;
   int64_t value;
   uint64_t address;
};

struct tyr_place {
   uint32_t where;
   uint32_t cloexec;
   uint64_t at;
   uint64_t size;
   uint64_t inode;
};

struct tyr_mailbox_machine {
   uint32_t watching;
   uint32_t patience;
   uint32_t taken;
   uint32_t told;
   uint32_t hope;
};

struct tyr_mailbox_guest {
   uint32_t asked;
   uint32_t size;
};

/* Refused by any compiler that lays the structs out otherwise. */
typedef char tyr_check_tyr_request_kind[(offsetof(struct tyr_request, kind) == 0) ? 1 : -1];
typedef char tyr_check_tyr_request_number[(offsetof(struct tyr_request, number) == 4) ? 1 : -1];
typedef char tyr_check_tyr_request_flags[(offsetof(struct tyr_request, flags) == 8) ? 1 : -1];
typedef char tyr_check_tyr_request_subject[(offsetof(struct tyr_request, subject) == 12) ? 1 : -1];
typedef char tyr_check_tyr_request_address[(offsetof(struct tyr_request, address) == 16) ? 1 : -1];
typedef char tyr_check_tyr_request_size[(offsetof(struct tyr_request, size) == 24) ? 1 : -1];
typedef char tyr_check_tyr_request_end[(offsetof(struct tyr_request, end) == 32) ? 1 : -1];
typedef char tyr_check_tyr_request_named[(offsetof(struct tyr_request, named) == 40) ? 1 : -1];
typedef char tyr_check_tyr_request_serial[(offsetof(struct tyr_request, serial) == 44) ? 1 : -1];
typedef char tyr_check_tyr_request[(sizeof(struct tyr_request) == 48) ? 1 : -1];
typedef char tyr_check_tyr_reply_kind[(offsetof(struct tyr_reply, kind) == 0) ? 1 : -1];
typedef char tyr_check_tyr_reply_fds[(offsetof(struct tyr_reply, fds) == 4) ? 1 : -1];
typedef char tyr_check_tyr_reply_size[(offsetof(struct tyr_reply, size) == 8) ? 1 : -1];
typedef char tyr_check_tyr_reply_argSize[(offsetof(struct tyr_reply, argSize) == 12) ? 1 : -1];
typedef char tyr_check_tyr_reply_value[(offsetof(struct tyr_reply, value) == 16) ? 1 : -1];
typedef char tyr_check_tyr_reply_address[(offsetof(struct tyr_reply, address) == 24) ? 1 : -1];
typedef char tyr_check_tyr_reply[(sizeof(struct tyr_reply) == 32) ? 1 : -1];
typedef char tyr_check_tyr_place_where[(offsetof(struct tyr_place, where) == 0) ? 1 : -1];
typedef char tyr_check_tyr_place_cloexec[(offsetof(struct tyr_place, cloexec) == 4) ? 1 : -1];
typedef char tyr_check_tyr_place_at[(offsetof(struct tyr_place, at) == 8) ? 1 : -1];
typedef char tyr_check_tyr_place_size[(offsetof(struct tyr_place, size) == 16) ? 1 : -1];
typedef char tyr_check_tyr_place_inode[(offsetof(struct tyr_place, inode) == 24) ? 1 : -1];
typedef char tyr_check_tyr_place[(sizeof(struct tyr_place) == 32) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_machine_watching[(offsetof(struct tyr_mailbox_machine, watching) == 0) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_machine_patience[(offsetof(struct tyr_mailbox_machine, patience) == 4) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_machine_taken[(offsetof(struct tyr_mailbox_machine, taken) == 8) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_machine_told[(offsetof(struct tyr_mailbox_machine, told) == 12) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_machine_hope[(offsetof(struct tyr_mailbox_machine, hope) == 16) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_machine[(sizeof(struct tyr_mailbox_machine) == 20) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_guest_asked[(offsetof(struct tyr_mailbox_guest, asked) == 0) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_guest_size[(offsetof(struct tyr_mailbox_guest, size) == 4) ? 1 : -1];
typedef char tyr_check_tyr_mailbox_guest[(sizeof(struct tyr_mailbox_guest) == 8) ? 1 : -1];

#endif
