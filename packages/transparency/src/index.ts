export { auditLog, checkConsistency, provenEntry } from './audit.ts'
export { fromBase64, sameBytes, toBase64 } from './bytes.ts'
export { formatCheckpoint, openCheckpoint, parseCheckpoint, type Checkpoint } from './checkpoint.ts'
export { TransparencyError, type TransparencyCode } from './error.ts'
export { appended, emptyFrontier, hashBytes, isFrontier, leafHash, nodeHash, rootOf, type Frontier } from './merkle.ts'
export { formatNoteKey, keyId, openNote, parseNoteKey, signNote, type NoteKey } from './note.ts'
export { verifyConsistency, verifyInclusion } from './proof.ts'
export { Prover, type Fetch } from './proofs.ts'
export {
  formatBundle,
  hashesAtLevel,
  parseBundle,
  parseHashTile,
  parseTilePath,
  tileHeight,
  tileOf,
  tilePath,
  tileWidth,
  type Tile,
} from './tiles.ts'
