import { Resolver } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'

/** What is asked of name servers; Node's `Resolver` has it. */
export type NameServers = Pick<Resolver, 'resolve4' | 'resolve6'>

/**
 * The host's name servers, asked by c-ares and not by `lookup`: of that, two at a time go on for all of this process, so that a guest
 * whose names nobody answers would keep every other name from being found (attack W23).
 */
const hosts: NameServers = new Resolver({ timeout: 2_000, tries: 2 })

/** A name of the DNS: of several labels, the last of which is not a number, for such are spellings of addresses. */
const nameForm =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$|0x[0-9a-f]*$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * One address of a name, IPv4 where the host has a way for it; undefined where there is none, and for what is not a name of the DNS: one
 * of one label is some machine beside the host.
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
