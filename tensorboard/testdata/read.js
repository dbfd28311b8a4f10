// Prints an event file: records by the npm package tfrecord, which checks their sums, messages by protobufjs.
const {RecordReader} = require('tfrecord/lib/record_reader');
const protobuf = require('protobufjs');
const Event = protobuf.parse(`syntax = "proto3";
message Image { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
message Value { string tag = 1; oneof value { float simple_value = 2; Image image = 4; } }
message Summary { repeated Value value = 1; }
message SessionLog { int32 status = 1; }
message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; } }`,
	{keepCase: true}).root.lookupType('Event');
(async () => {
	const reader = await (RecordReader || require('tfrecord/lib/record_reader').default).create(process.argv[2]);
	for (let data; (data = await reader.readRecord());) {
		const e = Event.decode(data);
		if (Math.abs(e.wall_time - Date.now() / 1000) > 600) throw new Error('wall time ' + e.wall_time);
		if (e.file_version) console.log('version', e.file_version);
		else if (e.session_log) console.log(e.session_log.status === 1 ? 'start' : 'session', Number(e.step));
		else if (e.summary.value[0].image) {
			const {tag, image: i} = e.summary.value[0];
			console.log(Number(e.step), tag, i.width + 'x' + i.height, Buffer.from(i.encoded_image_string).subarray(0, 16).toString('latin1').replace(/[^ -~]/g, '.'));
		} else console.log(Number(e.step), e.summary.value.map(v => v.tag + '=' + Number(v.simple_value.toPrecision(6))).join(' '));
	}
})();
