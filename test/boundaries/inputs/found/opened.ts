/** What lies on the encrypted disk or in the guest's memory. */
const ofGuest = /^\/(bin|etc|home|lib|lib64|root|run|sbin|tmp|usr|var)(?=\/|$)/
const ofSystem = /^\/(dev|etc|lib|lib64|proc|sys|usr|var)(?=\/|$)/
const ofKernel = /^\/(proc\/(?:N|self)|sys\/(?:bus|class|dev|devices|firmware\/efi\/efivars|fs|module))(?=\/|$)/

/**
 * Paths as the rows have them: `N` for digits, a folder for what is in it, none that are relative.
 * @param lines of the kernel's trace, each with `file="…"`
 */
export function openedPaths(lines: readonly string[]): string[] {
  const paths = lines.flatMap((line) => /file="(\/[^"]*)"$/.exec(line.trimEnd())?.[1] ?? [])
  const rows = paths.map((path) => {
    const plain = path
      .replace(/^\/run\/systemd\/mount-rootfs(?=\/)/, '')
      .replaceAll(/\d+/g, 'N')
      .replace(/(?<=.)\/$/, '')
    return (ofGuest.exec(plain) ?? ofKernel.exec(plain))?.[0] ?? plain
  })
  return [...new Set(rows)].toSorted()
}

/**
 * Paths of a verifier as the rows have them, and the port that it connects to.
 * @param text of strace
 * @param folders names of folders by their paths
 */
export function verifierPaths(text: string, folders: Readonly<Record<string, string>>): string[] {
  const known = Object.entries(folders)
  const isAbove = (path: string): boolean => known.some(([folder]) => `${folder}/`.startsWith(path))
  const found = text.split('\n').flatMap((line) => {
    if (/sin_port=htons\(\d+\), sin_addr=inet_addr\("127\.0\.0\.1"\)/.test(line)) return ['127.0.0.1 TLS port']
    return [...line.matchAll(/"(\/[^"]*)"/g)].flatMap(([, path]) => {
      const [folder, name] = known.find(([each]) => path!.startsWith(`${each}/`)) ?? []
      if (folder === undefined) return isAbove(path!) ? [] : [ofSystem.exec(path!)?.[0] ?? path!]
      if (name === 'SOURCE') return [name]
      const inside = path!.slice(folder.length).replaceAll(/[0-9a-f]{8}[0-9a-f-]{24,}(-\d+)?/g, '*')
      // Of the person's own folder, files: what is written there is synced with its folder.
      const isFile = name === 'CONFIG' ? /\.(?:json|lock)$/.test(inside) : true
      return isFile && /^\d+ +(?:openat|connect)\(/.test(line) ? [`${name}${inside}`] : []
    })
  })
  return [...new Set(found)].toSorted()
}
