import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename } from 'node:path'

// An npm registry on 127.0.0.1 that serves only these tarballs: PORT TARBALL…
const [port, ...tarballs] = process.argv.slice(2)
const files = new Map(tarballs.map((path) => [`/-/${basename(path)}`, readFileSync(path)]))
const packages = new Map(
  tarballs.map((path) => {
    const manifest = JSON.parse(execFileSync('tar', ['-xOf', path, 'package/package.json'], { encoding: 'utf8' }))
    const { name, version } = manifest
    const place = `/-/${basename(path)}`
    const integrity = `sha512-${createHash('sha512').update(files.get(place)).digest('base64')}`
    const dist = { tarball: `http://127.0.0.1:${port}${place}`, integrity }
    return [`/${name}`, { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }]
  }),
)
createServer(({ url }, response) => {
  const path = decodeURIComponent(url)
  const found = files.get(path) ?? (packages.has(path) ? JSON.stringify(packages.get(path)) : undefined)
  response.writeHead(found === undefined ? 404 : 200).end(found ?? '{}')
}).listen(Number(port), '127.0.0.1')
