import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, chown, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * VM users are unassigned numbers: above those of systemd's containers and below 2^31 (systemd, UIDS-GIDS). They have
 * no name, no file on a disk and no process but the VM's.
 */
const firstUser = 0x7000_0000
const users = 2 ** 27

/** The number tried first for a VM's user; `attempt` gives the next, if another VM has it. */
export function candidateUser(vmId: string, attempt: number = 0): number {
  const digest = createHash('sha256').update(`${vmId.toUpperCase()}:${attempt}`).digest()
  return firstUser + (digest.readUInt32BE(0) % users)
}

/** Whether a namespace with this map (/proc/PID/uid_map, user_namespaces(7)) has all users of VMs. */
export const hasUsers = (map: string): boolean =>
  map.split('\n').some((line) => {
    const [first = Infinity, , count = 0] = line.trim().split(/\s+/).map(Number)
    return first <= firstUser && first + count >= firstUser + users
  })

/** Root of a user namespace, as in a rootless container, may only switch to users that the namespace has. */
function maySetUsers(): boolean {
  return (
    process.geteuid?.() === 0 &&
    ['uid_map', 'gid_map'].every((map) => hasUsers(readFileSync(`/proc/self/${map}`, 'utf8')))
  )
}

/**
 * Gives a VM's memory-backed directory to a user that no other such directory on this machine has: its group may
 * traverse the directory, but neither list nor write it.
 * @returns the user's number; undefined if this process may not start programs as another user
 */
export async function giveUser(directory: string, vmId: string): Promise<number | undefined> {
  if (!maySetUsers()) return undefined
  const taken = await usersBeside(directory)
  let attempt = 0
  while (taken.has(candidateUser(vmId, attempt))) attempt += 1
  const user = candidateUser(vmId, attempt)
  await chown(directory, 0, user)
  await chmod(directory, 0o710)
  return user
}

/** For a program that belongs to no VM, while it runs; undefined as with giveUser. */
export function freshUser(): number | undefined {
  return maySetUsers() ? candidateUser(randomUUID()) : undefined
}

/** For all installations of this machine. */
async function usersBeside(directory: string): Promise<Set<number>> {
  const root = dirname(directory)
  const names = (await readdir(root)).filter((name) => name.startsWith('strongroom-'))
  const found = await Promise.all(names.map(async (name) => await stat(join(root, name)).catch(() => undefined)))
  return new Set(found.flatMap((each) => (each === undefined ? [] : [each.gid])))
}

/** Gives a file, socket or directory, just created where nobody else writes, to a VM's user. */
export async function giveTo(path: string, user: number | undefined): Promise<void> {
  if (user !== undefined) await chown(path, user, user)
}
