import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, chown, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Users of VMs are numbers that nobody gives out: above those of systemd's containers and below 2^31 (systemd, UIDS-GIDS). They
 * have no name, no file on a disk and no process but the VM's.
 */
const firstUser = 0x7000_0000
const users = 2 ** 27

/** The number at which a VM's user is looked for; with `attempt` the next, where another VM has it. */
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

/** Root of a user namespace, as in a container without root, may only be whom the namespace has. */
function maySetUsers(): boolean {
  return (
    process.geteuid?.() === 0 &&
    ['uid_map', 'gid_map'].every((map) => hasUsers(readFileSync(`/proc/self/${map}`, 'utf8')))
  )
}

/**
 * Gives a VM's memory-backed directory to a user that no other such directory on this machine is given to: it is in the
 * directory's group, passes through, and neither lists nor writes it.
 * @returns the user's number; undefined where this process may not start programs as another user
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

/** Of a program that belongs to no VM, for as long as it runs; undefined as with giveUser. */
export function freshUser(): number | undefined {
  return maySetUsers() ? candidateUser(randomUUID()) : undefined
}

/** Of all installations of this machine. */
async function usersBeside(directory: string): Promise<Set<number>> {
  const root = dirname(directory)
  const names = (await readdir(root)).filter((name) => name.startsWith('strongroom-'))
  const found = await Promise.all(names.map(async (name) => await stat(join(root, name)).catch(() => undefined)))
  return new Set(found.flatMap((each) => (each === undefined ? [] : [each.gid])))
}

/** Gives a file, socket or directory that this process has just made, where nobody else writes, to a VM's user. */
export async function giveTo(path: string, user: number | undefined): Promise<void> {
  if (user !== undefined) await chown(path, user, user)
}
