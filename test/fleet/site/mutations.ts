import { registerHooks } from 'node:module'

/** Fences that a test removes from the code, to see that their absence is detected: file, original, replacement. */
const mutations: Record<string, readonly (readonly [file: string, from: string, to: string])[]> = {
  // QEMU's own lock on the file is removed too: it would fence by failing the newer placement.
  storage: [
    [
      '/home/storage/file-storage.ts',
      'await Promise.all(disks.map(end))',
      'for (const each of disks) delete each.daemon',
    ],
    ['/home/storage/file-storage.ts', 'driver=file,node-name', 'driver=file,locking=off,node-name'],
  ],
  // Keys are still removed: whoever has connected continues.
  ceph: [['/ceph/ceph-storage.ts', 'new Set([...clients, ...(await this.#clientsOf(unit))])', 'new Set()']],
  key: [
    [
      '/release/release.ts',
      'if (row !== undefined) assertPlaced(row, { claims',
      'if (row === null) assertPlaced(row, { claims',
    ],
  ],
}

/** For modules loaded from here on. @throws if the code does not contain the fence as named here */
export function takeOut(name: string | undefined): void {
  if (name === undefined) return
  const changes = mutations[name]
  if (changes === undefined) throw new TypeError(`there is no mutation ${name}`)
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const mine = changes.filter(([file]) => url.endsWith(file))
      if (mine.length === 0 || loaded.source === undefined || loaded.source === null) return loaded
      let source = Buffer.from(loaded.source as Uint8Array).toString('utf8')
      for (const [file, from, to] of mine) {
        if (!source.includes(from)) throw new Error(`${file} has no such fence: ${from}`)
        source = source.replace(from, to)
      }
      return { ...loaded, source }
    },
  })
}
