/** Headers of everything on libqb's IPC and between the services of the nodes (libqb-ipc.md 1.2, services.md 1.2): id, size, and status. */
export const REQUEST_HEADER_BYTES = 16;
export const RESPONSE_HEADER_BYTES = 24;
