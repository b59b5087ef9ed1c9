// The page that the tests drive: one upload client, set up as its documentation says.
//
// `window.clients.start` takes the client's name and where the server is; the others are what a user does. Each answers
// once it is done, so that a test waits for conditions and never for a time.

import AwsS3 from '@uppy/aws-s3'
import Uppy from '@uppy/core'
import GoldenRetriever from '@uppy/golden-retriever'
import Tus from '@uppy/tus'
import Dropzone from 'dropzone'
import * as tus from 'tus-js-client'
import { AwsS3 as AwsS3v5, GoldenRetriever as GoldenRetriever5, Uppy as Uppy5 } from './uppy5/index.js'

const MULTIPART_OVER = 5 * 1024 * 1024
const TUS_CHUNK = 4 * 1024 * 1024

let uppy
let dropzone
let restored

const s3Options = { shouldUseMultipart: (file) => file.size > MULTIPART_OVER }

const makers = {
  uppy5: ({ api, token }) =>
    withUppy(Uppy5, GoldenRetriever5, (it) =>
      it.use(AwsS3v5, { ...s3Options, endpoint: api, headers: { authorization: `Bearer ${token}` } })),

  async uppy6({ api, token }) {
    // The plugin sends no headers: its endpoint carries a short-lived token in its path.
    const stored = sessionStorage.getItem('endpoint')
    const endpoint = stored ?? (await post(api, token, '/uppy/endpoints', {})).path
    sessionStorage.setItem('endpoint', endpoint)
    withUppy(Uppy, GoldenRetriever, (it) =>
      it.use(AwsS3, { ...s3Options, companionEndpoint: api + endpoint }))
  },

  uppy6sign: ({ api, token }) =>
    withUppy(Uppy, GoldenRetriever, (it) =>
      it.use(AwsS3, { ...s3Options, signRequest: (request) => post(api, token, '/s3/sign', request) })),

  uppytus: ({ api, token }) =>
    withUppy(Uppy, GoldenRetriever, (it) =>
      it.use(Tus, { endpoint: `${api}/files`, headers: { authorization: `Bearer ${token}` }, chunkSize: TUS_CHUNK })),

  dropzone({ api, token, fields }) {
    // S3 takes one file a form, and every file has a form of its own.
    dropzone = new Dropzone('#dropzone', {
      url: (files) => files[0].grant.url,
      method: 'post',
      maxFilesize: null,
      timeout: 0,
      autoProcessQueue: true,
      defaultHeaders: false,
      accept(file, done) {
        const wish = { filename: file.name, file_size: file.size, content_type: file.type, ...fields }
        post(api, token, '/s3_signature', wish).then((grant) => {
          file.grant = grant
          done()
        }, (error) => done(error.message))
      },
      init() {
        this.on('sending', (file, _request, form) => {
          for (const [name, value] of Object.entries(file.grant.fields)) form.append(name, value)
        })
      },
    })
  },
}

const AsyncFunction = (async () => {}).constructor

function withUppy(Core, Retriever, uploader) {
  uppy = new Core({ id: 'sluice', autoProceed: false })
  uploader(uppy)
  uppy.use(Retriever)
  restored = new Promise((resolve) => uppy.once('restored', resolve))
}

async function post(api, token, path, body) {
  const response = await fetch(api + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

// Ends when Uppy has no more to do, with what it says of each file.
function outcome() {
  return new Promise((resolve) => {
    uppy.once('complete', ({ successful, failed }) =>
      resolve({
        successful: (successful ?? []).map((file) => ({ name: file.name, url: file.uploadURL })),
        failed: (failed ?? []).map((file) => ({ name: file.name, error: String(file.error) })),
      }))
    uppy.once('cancel-all', () => resolve({ cancelled: true }))
  })
}

// Whether what a reload needs is kept: the file, and by what the server knows the upload.
async function isKept(mark) {
  const texts = Object.values(localStorage)
  let blobs = 0
  for (const { name } of await indexedDB.databases()) {
    const database = await promised(indexedDB.open(name))
    for (const store of database.objectStoreNames) {
      const values = await promised(database.transaction(store).objectStore(store).getAll())
      blobs += values.filter((value) => value.data instanceof Blob).length
      texts.push(JSON.stringify(values))
    }
    database.close()
  }
  return blobs > 0 && texts.some((text) => text.includes(mark))
}

function promised(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

window.clients = {
  start: ({ client, ...rest }) => makers[client](rest),

  add() {
    const [file] = document.querySelector('#file').files
    uppy.addFile({ name: file.name, type: file.type, data: file, meta: { folder: 'from-a-page' } })
  },

  upload() {
    const ended = outcome()
    uppy.upload().catch(() => {})
    return ended
  },
  pause: () => uppy.pauseAll(),
  resume: () => uppy.resumeAll(),
  cancel: () => uppy.cancelAll(),

  // Returns once a reload may come: Uppy writes down what it does a little later than it does it.
  async kept() {
    const known = () => uppy.getFiles().map((file) => file.s3Multipart?.uploadId ?? file.tus?.uploadUrl)
    while (!known()[0] || !(await isKept(known()[0]))) await new Promise(requestAnimationFrame)
    return known()[0]
  },
  // What a user's click on “Resume” in Uppy's dashboard does.
  async restore() {
    await restored
    const ended = outcome()
    uppy.emit('restore-confirmed')
    return ended
  },

  // Runs code as a page would that loaded these libraries; `values` are constants of it.
  run({ code, five, values }) {
    const [file] = document.querySelector('#file').files
    const libraries = five ? { Uppy: Uppy5, AwsS3: AwsS3v5 } : { Uppy, AwsS3, Tus, Dropzone, tus }
    const scope = { ...libraries, ...values, file }
    return new AsyncFunction(...Object.keys(scope), code)(...Object.values(scope))
  },

  drop() {
    const [file] = document.querySelector('#file').files
    const ended = new Promise((resolve) => dropzone.on('complete', resolve))
    dropzone.addFile(file)
    return ended.then((file) => ({
      status: file.status, asset_id: file.grant?.asset_id, location: file.xhr?.getResponseHeader('Location'),
      etag: file.xhr?.getResponseHeader('ETag'), error: file.previewElement?.textContent?.trim(),
    }))
  },
}
