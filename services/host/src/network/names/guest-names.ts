import { Resolver } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'

/** The queries sent to name servers, as in Node's `Resolver`. */
export type NameServers = Pick<Resolver, 'resolve4' | 'resolve6'>

/**
 * The host's name servers, queried by c-ares and not by `lookup`, which allows two calls at a time for the whole
 * process: a guest asking for unanswered names would block every other lookup (attack W23).
 */
const hosts: NameServers = new Resolver({ timeout: 2_000, tries: 2 })

/** A DNS name: several labels, the last of which is not a number, because such texts are spellings of addresses. */
const nameForm =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$|0x[0-9a-f]*$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * One address of a name, IPv4 if the host has a route; undefined without one, and for anything but a DNS name: a name
 * with one label is a machine near the host.
 */
export async function addressOf(name: string, servers: NameServers = hosts): Promise<string | undefined> {
  if (!nameForm.test(name)) return undefined
  const four = async (): Promise<string | undefined> => (await servers.resolve4(name).catch(() => []))[0]
  const six = async (): Promise<string | undefined> => (await servers.resolve6(name).catch(() => []))[0]
  return hasFour() ? ((await four()) ?? (await six())) : ((await six()) ?? (await four()))
}

const hasFour = (): boolean =>
  Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .some(({ family, internal }) => family === 'IPv4' && !internal)
