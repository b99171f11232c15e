import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, statSync } from 'node:fs'

/** Confinement of a program that processes untrusted bytes: a VM's QEMU and TPM, an image reader. */
export interface Confinement {
  /** Its user and only group; absent if this process cannot change its own user. */
  user?: number
  /** Files and directories that it opens by name, besides the system's programs and libraries. Absent without Landlock in the kernel. */
  opens?: { read?: string[]; write?: string[] }
}

/** Threads and processes of one user. QEMU has some for each virtual CPU and 64 for its disks. */
const mostProcesses = 512

const reading = ['read-file', 'read-dir'] as const
const writing = ['write-file', 'truncate'] as const
const directoryWriting = ['make-reg', 'make-sock', 'remove-file'] as const
const ofDirectories: readonly string[] = ['read-dir', ...directoryWriting]

/** Programs, libraries, what the loader and the cryptographic libraries read, and devices that store nothing. */
const system = {
  run: ['/usr', '/bin', '/sbin', '/lib', '/lib64'],
  read: ['/etc/ld.so.cache', '/etc/ld.so.preload', '/etc/ssl/openssl.cnf', '/dev/urandom', '/dev/random', '/dev/zero'],
  write: ['/dev/null'],
}

function rule(path: string, rights: readonly string[]): string[] {
  if (!existsSync(path)) return []
  const directory = statSync(path).isDirectory()
  const fitting = rights.filter((right) => directory || !ofDirectories.includes(right))
  return ['--landlock-rule', `path-beneath:${fitting.join(',')}:${path}`]
}

/** Landlock rules for setpriv(1). @param program absolute path of the program */
function landlock(opens: NonNullable<Confinement['opens']>, program: string): string[] {
  const running = ['execute', ...reading]
  return [
    '--landlock-access',
    'fs',
    ...[...system.run, program].flatMap((path) => rule(path, running)),
    ...[...system.read, ...(opens.read ?? [])].flatMap((path) => rule(path, reading)),
    ...[...system.write, ...(opens.write ?? [])].flatMap((path) =>
      rule(path, [...reading, ...writing, ...directoryWriting]),
    ),
  ]
}

/**
 * Prefix of a command line that confines a program and replaces itself by it. No privilege returns through a
 * set-user-ID program, no capability remains, no core file is written.
 * @param program absolute path
 */
export function confined(o: Confinement, program: string): { options: string[]; before: string[] } {
  const privileges =
    o.user === undefined
      ? []
      : ['--reuid', String(o.user), '--regid', String(o.user), '--clear-groups'].concat(
          ['--inh-caps', '--ambient-caps', '--bounding-set'].flatMap((set) => [set, '-all']),
        )
  return {
    options: [
      '--no-new-privs',
      ...privileges,
      ...(o.opens === undefined ? [] : landlock(o.opens, realpathSync(program))),
    ],
    // For a user with other programs the limit would count those too, and fail at random.
    before: [
      'prlimit',
      '--core=0:0',
      ...(o.user === undefined ? [] : [`--nproc=${mostProcesses}:${mostProcesses}`]),
      '--',
    ],
  }
}

let offered: boolean | undefined

/** Whether kernel and setpriv(1) support Landlock: tested once, with a program under the usual confinement. */
export function hasLandlock(): boolean {
  offered ??=
    spawnSync('setpriv', [...landlock({ write: ['/tmp'] }, '/usr/bin/true'), '--', '/usr/bin/true']).status === 0
  return offered
}
