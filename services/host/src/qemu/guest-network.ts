/** Unix sockets of a guest's endpoints, exclusive to this VM, so that the socket identifies the caller. */
export interface Doors {
  /** The metadata endpoint, 169.254.169.254:80 in the guest. */
  metadata: string
  /** The host's clock, 169.254.169.254:123. */
  time: string
  /** The guest's proxy, 169.254.169.253:3128. */
  proxy: string
  /** Relay to the installation's TLS listener and to public addresses, 169.254.169.253:443. */
  services: string
  /** Relay to public addresses over plain HTTP, 169.254.169.253:80. */
  web: string
  /** The guest's resolver, 169.254.169.253:53. */
  names: string
}

/** Addresses of the endpoints inside the guest. Link-local, so that no tenant's network contains them. */
export const guestAddresses = { metadata: '169.254.169.254', services: '169.254.169.253', proxyPort: 3128 } as const

/** Where cloud-init's NoCloud data source looks at the metadata endpoint: given by the machine's serial number (see arguments.ts). */
export const cloudInitPath = '/metadata/strongroom/cloud-init'

/** What DHCP gives the network's only host, where its SSH listens. */
const guest = '169.254.100.2'

/**
 * QEMU's argument for the primary interface's network: DHCP, the doors, and SSH from 127.0.0.1:`sshPort`; nothing else
 * on the host and nothing outside (`restricted`). The network is libslirp's through libvdeplug, because QEMU's own way
 * forks a program per connection to a socket. Throws for a path with a character that is special in either syntax.
 */
export function networkArgument(o: { doors: Doors; sshPort: number }): string {
  const { metadata, services, proxyPort } = guestAddresses
  const doors = [
    [metadata, 80, o.doors.metadata],
    [metadata, 123, o.doors.time],
    [services, proxyPort, o.doors.proxy],
    [services, 443, o.doors.services],
    [services, 80, o.doors.web],
    [services, 53, o.doors.names],
  ] as const
  const options = [
    'restricted',
    'v4',
    `addr=169.254.0.2${escaped('/')}16`,
    `dhcp=${guest}`,
    `tcpfwd=127.0.0.1:${o.sshPort}:${guest}:22`,
    // QEMU reads two commas as one.
    `unixfwd=${doors.map(([address, port, path]) => `${address}:${port}:${escaped(path)}`).join(',,')}`,
  ]
  return `vde,id=net,sock=slirp:///${options.join('/')}`
}

function escaped(path: string): string {
  if (!/^[\w./-]+$/.test(path)) throw new TypeError(`a guest's network cannot lead to the path ${JSON.stringify(path)}`)
  return path.replaceAll('/', '\\/')
}
